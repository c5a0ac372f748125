// The Worker with a part of its source replaced, as one file: bundled by the esbuild that wrangler bundles with.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { PROJECT } from "../../support/project.ts";
import { type Change, changed } from "./change.ts";

/** The part of esbuild that this file uses. */
interface Esbuild {
	build(options: {
		entryPoints: string[];
		bundle: true;
		format: "esm";
		target: string;
		write: false;
		external: string[];
		conditions: string[];
		alias: Record<string, string>;
		mainFields: string[];
		plugins: { name: string; setup(build: Build): void }[];
	}): Promise<{ outputFiles: { text: string }[] }>;
}
interface Build {
	onLoad(
		options: { filter: RegExp },
		load: (file: { path: string }) => Promise<{
			contents: string;
			loader: "ts";
		}>,
	): void;
}

const require = createRequire(import.meta.url);
const esbuild: Esbuild = createRequire(
	require.resolve("wrangler/package.json"),
)("esbuild");

const SOURCES = join(PROJECT, "gateway", "src");
const ENTRY = join(PROJECT, "worker", "src", "index.ts");

export interface FileChange extends Change {
	/** The file below gateway/src. */
	readonly file: string;
}

/** @throws {Error} if a change is of a file that the Worker does not have, or its text does not occur exactly once */
export async function bundleMutated(
	changes: readonly FileChange[],
): Promise<string> {
	const byPath = Map.groupBy(changes, ({ file }) => join(SOURCES, file));
	const mutated = new Set<string>();
	const { outputFiles } = await esbuild.build({
		entryPoints: [ENTRY],
		bundle: true,
		format: "esm",
		target: "es2024",
		write: false,
		external: ["cloudflare:*", "node:*"],
		// As wrangler sets them.
		conditions: ["workerd", "worker", "browser"],
		mainFields: ["browser", "module", "main"],
		alias: {
			postern: join(SOURCES, "index.ts"),
			"postern/routes": join(SOURCES, "routes.ts"),
			"postern/zod": join(SOURCES, "application", "zod.ts"),
		},
		plugins: [
			{
				name: "mutation",
				setup(build) {
					build.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
						const source = await readFile(path, "utf8");
						mutated.add(path);
						const contents = (byPath.get(path) ?? []).reduce(changed, source);
						return { contents, loader: "ts" };
					});
				},
			},
		],
	});
	for (const path of byPath.keys())
		if (!mutated.has(path))
			throw new Error(`${path} is no part of the Worker.`);
	return outputFiles[0]?.text ?? "";
}
