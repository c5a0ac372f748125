// Four suites: the Worker in workerd, the database by SQL, and the whole stack over HTTP twice: from npm packages and,
// where Docker is present, in containers.
import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";
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
					exclude: isCompose ? ["test/start.test.ts"] : [],
				},
			},
			...(inContainers
				? [
						{
							test: {
								name: "containers",
								...stack,
								// It is about `npm start` itself, which runs no container.
								exclude: ["test/start.test.ts"],
							},
						},
					]
				: []),
		],
	},
});
