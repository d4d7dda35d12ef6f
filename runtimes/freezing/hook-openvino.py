"""PyInstaller's hook for OpenVINO, which opens its plugins and readers by name; there is no other hook for it."""

from PyInstaller.utils.hooks import collect_data_files, collect_dynamic_libs

binaries = collect_dynamic_libs("openvino", search_patterns=["*.dll", "*.dylib", "lib*.so", "lib*.so.*"])
datas = collect_data_files("openvino", includes=["libs/*.json"])
