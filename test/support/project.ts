// This repository, for tests that read its files or copy it.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The root of the repository. */
export const PROJECT = dirname(
	dirname(dirname(fileURLToPath(import.meta.url))),
);

/** The example's Worker. */
export const WRANGLER_CONFIG = join(PROJECT, "worker", "wrangler.jsonc");
