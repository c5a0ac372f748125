// Five suites: the Worker in workerd, the database by SQL, the whole stack over HTTP twice: from npm packages and,
// where Docker is present, in containers; and where a Chromium is present, in a browser.
import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";
import { chromiumPath, hasChromium } from "./test/support/chromium.ts";
import { hasDocker } from "./test/support/containers.ts";

const stack = {
	include: ["test/**/*.test.ts"],
	globalSetup: ["test/support/stack.ts"],
	testTimeout: 30_000,
	hookTimeout: 60_000,
};

const isCompose = process.env.POSTERN_TEST_ORIGIN === "compose";

const inContainers = await hasDocker();
if (!inContainers) {
	console.log("The suite in containers is skipped: no Docker engine answers.");
}

const BROWSER = "test/**/*.browser.test.ts";
const inBrowser = await hasChromium();
if (!inBrowser) {
	console.log(
		`The suite in a browser is skipped: there is no ${chromiumPath()}; CHROMIUM_BIN may name another Chromium.`,
	);
}

export default defineConfig({
	test: {
		projects: [
			{
				plugins: [
					cloudflareTest({
						wrangler: { configPath: "./worker/wrangler.jsonc" },
						remoteBindings: false,
					}),
				],
				test: { name: "worker", include: ["worker/test/**/*.test.ts"] },
			},
			{
				test: {
					name: "db",
					include: ["db/test/**/*.test.ts"],
					globalSetup: ["db/test/support/setup.ts"],
					testTimeout: 30_000,
					hookTimeout: 60_000,
				},
			},
			{
				test: {
					name: "stack",
					...stack,
					// It starts a stack of its own.
					exclude: isCompose ? ["test/start.test.ts", BROWSER] : [BROWSER],
				},
			},
			...(inContainers
				? [
						{
							test: {
								name: "containers",
								...stack,
								// It is about `npm start` itself, which runs no container.
								exclude: ["test/start.test.ts", BROWSER],
							},
						},
					]
				: []),
			...(inBrowser
				? [
						{
							test: {
								name: "browser",
								include: [BROWSER],
								testTimeout: 60_000,
								hookTimeout: 120_000,
							},
						},
					]
				: []),
		],
	},
});
