// Copies Swagger UI's files from its npm package to the page at /docs, which starts it. `wrangler` runs this before it serves or
// deploys the Worker (wrangler.jsonc).
import { copyFile, mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const FILES = [
	"swagger-ui.css",
	"swagger-ui-bundle.js",
	"favicon-32x32.png",
	"LICENSE",
	"NOTICE",
	"swagger-ui-bundle.js.LICENSE.txt",
];

const from = dirname(
	createRequire(import.meta.url).resolve("swagger-ui-dist/package.json"),
);
const to = join(import.meta.dirname, "assets", "docs", "swagger-ui");

await mkdir(to, { recursive: true });
for (const file of FILES) {
	const [source, target] = [join(from, file), join(to, file)];
	// A running `wrangler dev` restarts when an asset is written.
	if (!(await hasSameBytes(source, target))) await copyFile(source, target);
}

async function hasSameBytes(source: string, target: string): Promise<boolean> {
	try {
		return (await readFile(source)).equals(await readFile(target));
	} catch {
		return false;
	}
}
