"""How the site is built: ``make docs``."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "qhypernet"
release = version_of("qhypernet")
version = release

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "commands",
    "dark_figures",
    "mathml",
    "reference",
]
exclude_patterns = ["_build", "_extensions"]
suppress_warnings = ["toc.empty_glob"]

# Pages are Markdown; those that begin with a Jupyter header are run when built, and must not fail.
myst_enable_extensions = ["amsmath", "attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True

html_math_renderer = "mathml"
html_theme = "furo"
html_title = "qhypernet"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
