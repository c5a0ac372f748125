// The Chromium of this machine, for the tests that look at pages. Nothing is downloaded: it is installed or it is not.
import { access, constants } from "node:fs/promises";

/** Debian's path. */
const DEFAULT_PATH = "/usr/bin/chromium";

/** No sandbox, which root cannot use, and no traffic of the browser's own. */
export const CHROMIUM_FLAGS = [
	"--headless",
	"--no-sandbox",
	"--disable-gpu",
	"--disable-background-networking",
	"--disable-component-update",
	"--disable-sync",
];

/** The path in CHROMIUM_BIN, or Debian's. */
export function chromiumPath(): string {
	return process.env.CHROMIUM_BIN || DEFAULT_PATH;
}

/** Whether there is a Chromium. With POSTERN_REQUIRE_BROWSER=1 a missing one is an error with the reason. */
export async function hasChromium(): Promise<boolean> {
	try {
		await access(chromiumPath(), constants.X_OK);
		return true;
	} catch (error) {
		if (process.env.POSTERN_REQUIRE_BROWSER === "1") throw error;
		return false;
	}
}
