// Builds the package as it is published: one ES module for each entry, with its declarations.
import { defineConfig } from "tsdown";

export default defineConfig({
	entry: { index: "src/index.ts" },
	platform: "neutral",
	tsconfig: "tsconfig.build.json",
	dts: true,
	deps: { neverBundle: [/^cloudflare:/] },
	outDir: "dist",
});
