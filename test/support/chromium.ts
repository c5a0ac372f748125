// The Chromium of this machine, for the tests that look at pages. Nothing is downloaded: it is installed or it is not.
import { access, constants } from "node:fs/promises";

/** Debian's. */
const DEFAULT_PATH = "/usr/bin/chromium";

/** Nothing that a test does not ask for: no sandbox for root, no traffic of the browser's own. */
export const CHROMIUM_FLAGS = [
	"--headless",
	"--no-sandbox",
	"--disable-gpu",
	"--disable-background-networking",
	"--disable-component-update",
	"--disable-sync",
];

/** CHROMIUM_BIN, or where Debian installs it. */
export function chromiumPath(): string {
	return process.env.CHROMIUM_BIN || DEFAULT_PATH;
}

/** Whether it is there. With POSTERN_REQUIRE_BROWSER=1 it must be, and the reason why not is thrown. */
export async function hasChromium(): Promise<boolean> {
	try {
		await access(chromiumPath(), constants.X_OK);
		return true;
	} catch (error) {
		if (process.env.POSTERN_REQUIRE_BROWSER === "1") throw error;
		return false;
	}
}
