from pathlib import Path

import pytest

from miniseg_edge.export.demo import main
from miniseg_edge.images import image_paths


@pytest.mark.slow
def test_the_main_job_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--output", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "One lesion, two runtimes, two precisions" in shown
    assert "$ miniseg-export" in shown
    assert (tmp_path / "overview.png").is_file()
    for artefact in ("onnxruntime-fp32", "openvino-fp32", "openvino-int8"):
        assert len(image_paths(tmp_path / artefact)) == 12
    assert main(["--output", str(tmp_path)]) == 0, "it can be run again"
