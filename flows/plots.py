"""Makes the page that `dvc plots show` and `dvc plots diff` write free of the network: python -m flows.plots

DVC's own page loads Vega from a content network. Ours carries it: .dvc/offline.html, named in .dvc/config, made anew at installation.
"""

from __future__ import annotations

from pathlib import Path

import vl_convert

PAGE = Path(".dvc") / "offline.html"
VEGA_LITE = "5.20"  # the major version DVC's templates are written for
GLOBALS = "Object.assign(window, { vega, vegaLite, vegaEmbed });"

HTML = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Slipway: plots</title>
<style>
body {{ font-family: sans-serif; margin: 2em; }}
table {{ border-spacing: 0 }}
th, td {{ padding: .3em .8em; text-align: right }}
</style>
<script>{bundle}</script>
</head>
<body>
{{plot_divs}}
</body>
</html>
"""


def main() -> None:
    bundle = vl_convert.javascript_bundle(GLOBALS, vl_version=VEGA_LITE).replace("</script>", "<\\/script>")
    PAGE.write_text(HTML.format(bundle=bundle), encoding="utf-8")
    print(f"{PAGE.as_posix()}: {PAGE.stat().st_size / 1e6:.1f} MB, Vega-Lite {VEGA_LITE}")


if __name__ == "__main__":
    main()
