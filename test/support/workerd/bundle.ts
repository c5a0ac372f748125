// The Worker as one file, as `wrangler deploy` builds it.
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { QUIET, wrangler } from "../../../gateway/cli/stack/wrangler.ts";
import { WRANGLER_CONFIG } from "../project.ts";

const execute = promisify(execFile);

/** Builds the Worker as `wrangler deploy` does and returns its one file. */
export async function bundleWorker(): Promise<string> {
	const outDirectory = await mkdtemp(join(tmpdir(), "postern-bundle-"));
	try {
		await execute(
			process.execPath,
			[
				wrangler(),
				"deploy",
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
		return await readFile(join(outDirectory, "index.js"), "utf8");
	} finally {
		await rm(outDirectory, { recursive: true });
	}
}
