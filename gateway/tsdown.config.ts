// Builds the package as it is published: the library, one ES module for each entry, with its declarations; and the command,
// file by file, since its parts find each other by their paths.
import { defineConfig } from "tsdown";

export default defineConfig([
	{
		entry: {
			index: "src/index.ts",
			worker: "src/worker.ts",
			routes: "src/routes.ts",
			zod: "src/application/zod.ts",
			"client/index": "client/index.ts",
		},
		platform: "neutral",
		tsconfig: "tsconfig.build.json",
		dts: true,
		deps: { neverBundle: [/^cloudflare:/] },
		outDir: "dist",
	},
	{
		entry: ["cli/**/*.ts"],
		root: "cli",
		platform: "node",
		tsconfig: "../tsconfig.json",
		unbundle: true,
		dts: false,
		fixedExtension: false,
		outDir: "dist/cli",
	},
]);
