"""The web server: live audio over a WebSocket, files over HTTP, a page (docs/server.md); extra ``serve``."""
