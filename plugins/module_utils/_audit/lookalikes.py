# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of packages that are one slip of the keyboard away from a popular one. Pure. Private to this collection.

Whoever registers such a name gets all who mistype it. Of short names the neighbours are too many to say anything.
"""

from __future__ import annotations

SHORTEST = 5

# What data science uses of the 15,000 most downloaded projects of PyPI (public ranking: github.com/hugovk/top-pypi-packages), and
# the names that conda-forge has for them or beside them. As of 2026-11-26.
_POPULAR = """
accelerate aiohttp altair anndata ansible arrow astropy attrs babel beautifulsoup4 biopython black bokeh boto3 botocore
brotli build cartopy catboost certifi charset-normalizer click cloudpickle colorama conda cryptography cupy cython dask
datasets debugpy decorator diffusers distributed django docker duckdb einops fastapi fiona flask fonttools fsspec gensim
geopandas gitpython grpcio h5py huggingface-hub hypothesis imageio importlib-metadata ipykernel ipython ipywidgets isort
jinja2 joblib jsonschema jupyter jupyter-client jupyter-core jupyter-server jupyterhub jupyterlab keras kiwisolver langchain
lightgbm lightning llvmlite loguru lxml mamba markdown markupsafe matplotlib matplotlib-base mlflow multidict mypy nbconvert
nbformat netcdf4 networkx nltk notebook numba numexpr numpy onnx onnxruntime openai opencv opencv-python openpyxl openssl
optuna packaging pandas pandoc paramiko pathlib2 patsy peft pexpect pillow platformdirs plotly polars pooch prompt-toolkit
protobuf psutil psycopg2 pyarrow pycparser pydantic pygments pymongo pyparsing pyproj pytables pytest python python-dateutil
pytorch pytorch-lightning pytz pyyaml pyzmq rasterio redis regex requests rich ruff s3fs safetensors scanpy scikit-image
scikit-learn scipy seaborn selenium sentence-transformers sentencepiece setuptools shapely spacy sphinx sqlalchemy
statsmodels streamlit sympy tabulate tensorboard tensorflow threadpoolctl tokenizers torch torchaudio torchvision tornado
tqdm traitlets transformers triton typing-extensions umap-learn urllib3 virtualenv wandb websockets werkzeug wheel xarray
xgboost zarr
"""
# Their neighbours that are packages of their own: of the same ranking, of conda-forge and of bioconda.
_OTHERS = """
antropy astrapy attr beautifulsoup boto bpython brotli-python cattrs coda condax cpython crick ctransformers dataset
datazets dateutil distribute djongo dydantic expect fastai fastani flash git-python gpytorch grequests gsort gsutil ipytest
jython markdown2 mocker ngboost openapi opencc opengv parsy pathlib pathy polaris psycopg pyaml pymantic python-build
python-duckdb python-protobuf retworkx rpython scapy scipp simpy slack spicy spython tensorboardx torchx usort vbuild wand
websocket willow xoto3 xpython
"""
POPULAR, OTHERS = frozenset(_POPULAR.split()), frozenset(_OTHERS.split())


def mistaken_for(name: str) -> str:
    """The popular package that a name in normal form may be a slip of; empty if it is one itself, or known, or far from all."""
    if name in POPULAR or name in OTHERS:
        return ""
    alike = (popular for popular in sorted(POPULAR) if any(rule(name, popular) for rule in (_dashes, _prefix, _slip)))
    return next(alike, "")


def _dashes(name: str, popular: str) -> bool:
    return name.replace("-", "") == popular.replace("-", "")


def _prefix(name: str, popular: str) -> bool:
    return name in (f"python-{popular}", f"{popular}-python") or popular == f"python-{name}"


def _slip(name: str, popular: str) -> bool:
    """One sign added, left out, replaced, or exchanged with the next (Damerau)."""
    if len(popular) < SHORTEST or abs(len(name) - len(popular)) > 1:
        return False
    same = 0
    while same < min(len(name), len(popular)) and name[same] == popular[same]:
        same += 1
    one, other = name[same:], popular[same:]
    swapped = one[:2] == other[1::-1] and one[2:] == other[2:]
    return one[1:] == other[1:] or one[1:] == other or one == other[1:] or swapped
