"""The way to an application that reads hints instead of being POSTed to: `GET /v1/stream`, by SSE or WebSocket."""
