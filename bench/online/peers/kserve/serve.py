"""KServe's server with a model of one's own. Arguments: the model's file, the port."""

import sys

import joblib
import kserve
import numpy as np
import uvicorn


class Classifier(kserve.Model):
    def __init__(self, path: str) -> None:
        super().__init__("model")
        self._model = joblib.load(path)
        self.ready = True

    async def predict(self, payload, headers=None, response_headers=None):
        return {"predictions": self._model.predict(np.asarray(payload["instances"])).tolist()}


class LoopbackConfig(uvicorn.Config):
    """KServe has no option for its address, and none for no access log."""

    def __init__(self, app, **options):
        super().__init__(app, **{**options, "host": "127.0.0.1", "access_log": False})


if __name__ == "__main__":
    path, port = sys.argv[1:]
    uvicorn.Config = LoopbackConfig
    server = kserve.ModelServer(http_port=int(port), workers=1, enable_grpc=False, enable_latency_logging=False)
    server.start([Classifier(path)])
