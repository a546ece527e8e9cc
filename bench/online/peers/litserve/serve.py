"""LitServe. Arguments: the model's file, the port, the largest batch (1: no batching)."""

import sys

import joblib
import litserve
import numpy as np


class Classifier(litserve.LitAPI):
    path: str

    def setup(self, device):
        self._model = joblib.load(self.path)

    def decode_request(self, request):
        return np.asarray(request["data"])

    def batch(self, inputs):
        return np.concatenate(inputs)

    def predict(self, x):
        return self._model.predict(x)

    def unbatch(self, output):
        return [[label] for label in output.tolist()]

    def encode_response(self, output):
        return {"predictions": output if isinstance(output, list) else output.tolist()}


if __name__ == "__main__":
    path, port, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    api = Classifier(max_batch_size=batch, batch_timeout=0.002 if batch > 1 else 0.0)
    api.path = path
    server = litserve.LitServer(api, accelerator="cpu", devices=1, workers_per_device=1, fast_queue=True)
    server.run(
        host="127.0.0.1",
        port=port,
        num_api_servers=1,
        log_level="warning",
        access_log=False,
        generate_client_file=False,
    )
