// Builds the page into dist/: a few static files that the server embeds. Nothing in it may name another host.
import { defineConfig } from "vite";

export default defineConfig({
  base: "/",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  server: {
    // `npm run dev` beside a running `livehouse demo`.
    proxy: {
      "/connection": { target: "http://127.0.0.1:8080", ws: true },
      "/dev": "http://127.0.0.1:8080",
    },
  },
});
