#!/bin/sh
# One step in somebody else's pipeline: CT images in one folder, the DICOM SEG in another.
# mercure names the folders MERCURE_IN_DIR and MERCURE_OUT_DIR, MONAI Deploy HOLOSCAN_INPUT_PATH and HOLOSCAN_OUTPUT_PATH,
# MONAI Deploy before 1.0 MONAI_INPUTPATH and MONAI_OUTPUTPATH. Exit codes are miniseg-segment's.
set -eu

in=${MERCURE_IN_DIR:-${HOLOSCAN_INPUT_PATH:-${MONAI_INPUTPATH:-/var/holoscan/input}}}
out=${MERCURE_OUT_DIR:-${HOLOSCAN_OUTPUT_PATH:-${MONAI_OUTPUTPATH:-/var/holoscan/output}}}
bundle=${MINISEG_BUNDLE:-${HOLOSCAN_MODEL_PATH:-/opt/holoscan/models}/miniseg}

# A list of formats, and a series' number or UID where there are several.
set -- --overwrite
for format in ${MINISEG_FORMATS:-dicom-seg json}; do
    set -- "$@" --format "$format"
done
if [ -n "${MINISEG_SERIES:-}" ]; then
    set -- "$@" --series "$MINISEG_SERIES"
fi

exec miniseg-segment "$bundle" "$in" --output "$out" "$@"
