"""Ray Serve behind its HAProxy. Arguments: the model's file, the port, the largest batch (1: no batching)."""

import signal
import sys

import joblib
import numpy as np
import ray
from ray import serve
from starlette.requests import Request


class Classifier:
    def __init__(self, path: str) -> None:
        self._model = joblib.load(path)

    async def __call__(self, request: Request) -> dict:
        rows = (await request.json())["data"]
        return {"predictions": self._model.predict(np.asarray(rows)).tolist()}


class BatchingClassifier:
    def __init__(self, path: str) -> None:
        self._model = joblib.load(path)

    async def __call__(self, request: Request) -> dict:
        return {"predictions": [await self.predict((await request.json())["data"][0])]}

    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.001)
    async def predict(self, rows: list) -> list:
        return self._model.predict(np.asarray(rows)).tolist()


def main() -> None:
    path, port, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    ray.init(num_cpus=4, include_dashboard=False, _node_ip_address="127.0.0.2", log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    options = {"num_replicas": 1, "max_ongoing_requests": 1024, "logging_config": {"enable_access_log": False}}
    deployment = serve.deployment(BatchingClassifier if batch > 1 else Classifier).options(**options)
    serve.run(deployment.bind(path), route_prefix="/", logging_config={"enable_access_log": False})
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main()
