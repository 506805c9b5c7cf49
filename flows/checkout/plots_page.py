"""Makes the page that `dvc plots show` and `dvc plots diff` write free of the network, and harmless: python
-m flows.checkout.plots_page

DVC's own page loads Vega from a content network. Ours carries it: .dvc/offline.html, named in .dvc/config,
made anew at installation.

DVC puts labels, titles and files' names into its page as they are, inside of scripts. Here they all land in a
`plaintext` element, which nothing can end, so that a browser sees text and no markup; our script takes the
plots out of that text. And a policy in the page's head lets no script run but ours, and no host be asked.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import vl_convert

PAGE = Path(".dvc") / "offline.html"
VEGA_LITE = "5.20"  # the major version DVC's templates are written for
GLOBALS = "Object.assign(window, { vega, vegaLite, vegaEmbed });"
DRAW = r"""
const OPTIONS = { actions: { export: true, source: false, compiled: false, editor: false } };
const PART = /^\s*(?:var spec = (.*);|<p>(.*)<\/p>|<img src="(.*)">)\s*$/;
const NO_JSON = /("(?:[^"\\]|\\.)*")|NaN|-?Infinity/g;

function added(tag, set) {
  return document.getElementById("plots").appendChild(Object.assign(document.createElement(tag), set));
}

function draw(spec) {
  const place = added("div", {}), failed = (error) => { place.textContent = `This plot cannot be drawn: ${error}`; };
  try {
    vegaEmbed(place, JSON.parse(spec.replace(NO_JSON, (all, text) => text || "null")), OPTIONS).catch(failed);
  } catch (error) { failed(error); }
}

addEventListener("DOMContentLoaded", () => {
  for (const line of document.querySelector("plaintext").textContent.split("\n")) {
    const [, spec, title, picture] = line.match(PART) || [];
    if (spec) draw(spec);
    if (title) added("p", { textContent: title });
    if (picture) added("img", { src: picture, alt: "" });
  }
});
"""  # noqa: E501

HTML = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>Slipway: plots</title>
<style>
body {{ font-family: sans-serif; margin: 2em; }}
plaintext {{ display: none; }}
img {{ max-width: 100%; }}
</style>
<script>{bundle}</script>
<script>{draw}</script>
</head>
<body>
<div id="plots"></div>
<noscript>The plots are drawn by a script of this page, and scripts are off.</noscript>
<plaintext>
{{plot_divs}}
"""


def page() -> str:
    """The template, with DVC's placeholder in it."""
    bundle = vl_convert.javascript_bundle(GLOBALS, vl_version=VEGA_LITE).replace("</script>", "<\\/script>")
    # Vega compiles the formulas of a plot's template: hence unsafe-eval.
    scripts = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'"
        for one in (bundle, DRAW)
    )
    policy = (
        f"default-src 'none'; script-src 'unsafe-eval' {scripts}; style-src 'unsafe-inline'; img-src "
        "'self' data: blob: file:"
    )
    return HTML.format(policy=policy, bundle=bundle, draw=DRAW)


def main() -> None:
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE.as_posix()}: {PAGE.stat().st_size / 1e6:.1f} MB, Vega-Lite {VEGA_LITE}")


if __name__ == "__main__":
    main()
