// Builds the room page and the console of staff into dist/: a few static files that the server embeds. Nothing in it may
// name another host.
import { join } from "node:path";
import { defineConfig } from "vite";

const entry = (name: string) => join(import.meta.dirname, name);

export default defineConfig({
  base: "/",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
    rollupOptions: { input: { index: entry("index.html"), admin: entry("admin.html") } },
  },
  server: {
    // `npm run dev` beside a running `livehouse demo`.
    proxy: {
      "/connection": { target: "http://127.0.0.1:8080", ws: true },
      "/dev": "http://127.0.0.1:8080",
      "/admin/api": "http://127.0.0.1:8080",
    },
  },
});
