// Builds the package as it is published: one ES module for each entry, with its declarations.
import { defineConfig } from "tsdown";

export default defineConfig({
	entry: {
		index: "src/index.ts",
		worker: "src/worker.ts",
		routes: "src/routes.ts",
		"client/causal": "client/causal.ts",
	},
	platform: "neutral",
	tsconfig: "tsconfig.build.json",
	dts: true,
	deps: { neverBundle: [/^cloudflare:/] },
	outDir: "dist",
});
