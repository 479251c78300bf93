/** Builds the canvas alone, with made-up objects, for measurements and tests without a server. */
import react from "@vitejs/plugin-react";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  root: here("."),
  base: "./",
  plugins: [react()],
  resolve: { alias: { "@": here("../../src") } },
  build: { target: "es2022", emptyOutDir: true },
});
