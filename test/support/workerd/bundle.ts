// The Worker as one file, as `wrangler deploy` builds it.
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { QUIET, wrangler } from "../../../gateway/cli/stack/wrangler.ts";
import { WRANGLER_CONFIG } from "../project.ts";

const execute = promisify(execFile);

/** How large a Worker may be, compressed: a little more than it is. docs/benchmarks.md has the sizes. */
export const MAX_BYTES = {
	withoutRoutes: 98 * 1_024,
	/** This repository's, whose routes are described in OpenAPI. */
	withRoutes: 110 * 1_024,
};

/**
 * Builds the Worker as `wrangler deploy` does and returns its one file.
 * @param options further ones for wrangler
 */
export async function bundleWorker(...options: string[]): Promise<string> {
	const outDirectory = await mkdtemp(join(tmpdir(), "postern-bundle-"));
	try {
		await execute(
			process.execPath,
			[
				wrangler(),
				"deploy",
				...options,
				"--dry-run",
				"--config",
				WRANGLER_CONFIG,
				"--outdir",
				outDirectory,
			],
			{
				env: { ...process.env, ...QUIET },
			},
		);
		const files = await readdir(outDirectory);
		const file = files.find((name) => name.endsWith(".js")) ?? "index.js";
		return await readFile(join(outDirectory, file), "utf8");
	} finally {
		await rm(outDirectory, { recursive: true });
	}
}
