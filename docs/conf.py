"""How the site is built: ``make docs``."""

import os
import shutil
import sys
import tempfile
from importlib.metadata import version as version_of
from pathlib import Path

# Pages run commands of the environment that they are built in, in a kernel that begins with a file.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
os.environ["IPYTHONDIR"] = tempfile.mkdtemp()
startup = Path(os.environ["IPYTHONDIR"], "profile_default", "startup")
startup.mkdir(parents=True)
shutil.copy(Path(__file__).with_name("_kernel.py"), startup)

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
    "description",
    "mathml",
    "reference",
]
exclude_patterns = ["_build", "_extensions"]

# Pages are Markdown; those that begin with a Jupyter header are run when built, and must not fail.
myst_enable_extensions = ["amsmath", "attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True

napoleon_attr_annotations = False
napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_display_short_literal_types = True
python_maximum_signature_line_length = 80

html_math_renderer = "mathml"
html_theme = "furo"
html_title = "qhypernet"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
