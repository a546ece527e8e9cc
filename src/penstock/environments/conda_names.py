"""Conda packages that are the same project as a package of pip's index, and their versions as pip writes them."""

import re

from packaging.utils import canonicalize_name

# Those whose name is the same in both places.
_SAME: str = """
aiohttp alembic altair attrs beautifulsoup4 bokeh boto3 catboost category-encoders click cloudpickle
cryptography cvxpy cython dask datasets dill distributed evaluate fastapi fastparquet feature-engine
featuretools flaml flask fsspec gensim gitpython gunicorn h5py hdbscan httpx huggingface-hub hyperopt imageio
imbalanced-learn interpret ipykernel ipython jinja2 joblib jsonschema keras kneed lifelines lightgbm lime lxml
markupsafe matplotlib mlflow mlflow-skinny mlxtend nbconvert networkx nltk notebook numba numexpr numpy onnx
onnxruntime openpyxl optuna orjson packaging pandas pandas-gbq pandera patsy pillow plotly pmdarima polars
prophet protobuf psutil pyarrow pydantic pyjwt pymongo pymysql pyod pyodbc pytest python-dateutil python-
dotenv pytz pyyaml pyzmq regex requests ruamel-yaml s3fs sacremoses scikit-image scikit-learn scikit-learn-
extra scikit-optimize scipy seaborn sentencepiece setuptools shap simplejson six skl2onnx smart-open spacy
sqlalchemy statsmodels sympy tabulate tenacity tensorflow textblob threadpoolctl tokenizers toolz torchaudio
torchmetrics torchvision tornado tqdm transformers typing-extensions ujson umap-learn unidecode urllib3
uvicorn werkzeug wheel wordcloud wrapt xgboost xlrd
"""
# Those whose name is not.
_OTHER = {
    "matplotlib-base": "matplotlib",
    "py-xgboost": "xgboost",
    "py-xgboost-cpu": "xgboost",
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "python-lightgbm": "lightgbm",
    "tensorflow-base": "tensorflow",
}

_VERSION = r"[0-9][0-9A-Za-z.!+_]*?"
_EXACT = re.compile(rf"==\s*({_VERSION})\Z")
_SPACED = re.compile(rf"({_VERSION})(?:\s+\w+)?\Z")  # `numpy 1.21 py39_0`: the very version
_BUILT = re.compile(rf"=\s*({_VERSION})\s*=\s*[^=\s,]+\Z")  # `numpy=1.21=py39_0`: the very version
_FUZZY = re.compile(rf"={{0,2}}\s*({_VERSION})\.?\*\Z|=\s*({_VERSION})\Z")  # `numpy=1.21`: 1.21 and what begins so
_BOUND = re.compile(rf"(>=|<=|==|!=|~=|>|<)\s*({_VERSION}(?:\.\*)?)\Z")


def pip_name(conda_name: str) -> str | None:
    """The package index's name of a conda package; None where it is not certain that there is the same project."""
    name: str = canonicalize_name(conda_name)
    return _OTHER.get(name) or (name if name in _SAME.split() else None)


def pip_version(conda_version: str) -> str | None:
    """A conda version as pip writes it (`==1.21.*` for `=1.21`); None if it cannot be said in its words."""
    version = conda_version.strip()
    if version in ("", "*"):
        return ""
    for pattern in (_EXACT, _BUILT, _SPACED):
        if match := pattern.match(version):
            return f"=={match[1]}"
    if match := _FUZZY.match(version):
        return f"=={match[1] or match[2]}.*"
    bounds = [_BOUND.match(bound.strip()) for bound in version.split(",")]
    if not all(bounds):
        return None
    return ",".join(f"{bound[1]}{bound[2]}" for bound in bounds if bound)
