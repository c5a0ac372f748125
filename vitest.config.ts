// Seven suites: the gateway's logic in Node, the rest of it and the example in workerd, the gateway's SQL, the example's SQL,
// and the whole stack over HTTP three times: from npm packages; where Docker is present, in containers; where Chromium is, in
// a browser.
import { join } from "node:path";
import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";
import { chromiumPath, hasChromium } from "./test/support/chromium.ts";
import { hasDocker } from "./test/support/containers.ts";
import { dropExpectedLogs } from "./test/support/expected-logs.ts";

dropExpectedLogs();

// What the tests start, such as wrangler, is compiled once.
process.env.NODE_COMPILE_CACHE ??= join(
	import.meta.dirname,
	"node_modules/.cache/node",
);

/**
 * What runs where. The suite `stack` has every file, with servers from npm packages. The others repeat only what may come out
 * differently there: the Worker is the same in all of them, and so are the files that start their own origins.
 */
const RUNS_WHERE = {
	/** What another Postgres or PostgREST may answer differently. */
	containers: [
		"test/fails-closed.test.ts",
		"test/isolation.test.ts",
		"test/least-trust.test.ts",
		"test/features/supabase.test.ts",
		"test/transparent-clients.test.ts",
		"test/transparent.test.ts",
	],
	/** What may be wrong in docker-compose.yml and in `npm run worker`. The images are those of the suite in containers. */
	compose: [
		"test/fails-closed.test.ts",
		"test/features/inventory.test.ts",
		"test/least-trust.test.ts",
		"test/features/openapi.test.ts",
		"test/features/supabase.test.ts",
		"test/transparent-clients.test.ts",
	],
};

/**
 * The longest files begin first, so that no process runs one at the end while the others have nothing to do. Of those with a
 * Worker, one that starts many programs is followed by one that mostly waits: these two run side by side.
 */
const LONGEST = [
	"gateway/test/feed/change-feed.workerd.test.ts",
	"gateway/test/cache/histories.test.ts",
	"gateway/test/sql/tracking.test.ts",
	"gateway/test/sql/migrate.test.ts",
	"test/install/start.test.ts",
	"test/histories/scenarios/scenarios.test.ts",
	"test/install/tarball.test.ts",
	"test/staleness-and-own-writes.test.ts",
	"test/install/doctor.test.ts",
	"test/duels/mutations.test.ts",
	"test/isolation.test.ts",
	"test/up-when-the-origin-is-down.test.ts",
	"test/install/command.test.ts",
	"test/identity/issuers.test.ts",
	"test/features/docs.browser.test.ts",
	"test/histories/scenarios/mutations.test.ts",
	"test/features/supabase-manner.test.ts",
	"test/isolation-of-pre-requests.test.ts",
	"test/features/limits.test.ts",
	"test/identity/identity.test.ts",
	"test/freshness-under-ddl.test.ts",
	"test/isolation-of-roles.test.ts",
	"test/plan.test.ts",
	"test/transparent.test.ts",
	"test/tunnel.test.ts",
];

class LongestFirst extends BaseSequencer {
	override async sort(files: TestSpecification[]) {
		const others = LONGEST.length;
		const rank = ({ moduleId }: TestSpecification) => {
			const index = LONGEST.findIndex((file) => moduleId.endsWith(`/${file}`));
			return index === -1 ? others : index;
		};
		return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
	}
}

/** What comes after a while: on a busy machine the default of 1 s is too short. */
const PATIENT = { poll: { timeout: 20_000 } };

const isCompose = process.env.POSTERN_TEST_ORIGIN === "compose";

/** The suites with a Worker wait half of the time, and nothing is theirs together: each process has a whole stack of its own. */
const WITH_SERVERS = {
	maxWorkers: isCompose ? 1 : 2,
	sequence: { groupOrder: 3 },
	expect: PATIENT,
};

/** The suites with a database alone: each process has its own. */
const WITH_DATABASE = {
	maxWorkers: 2,
	sequence: { groupOrder: 2 },
	expect: PATIENT,
};

/** The suites without servers compute, and wait now and then: one process more than the usual two cores. Each runs many of their files. */
const WITHOUT_SERVERS = {
	maxWorkers: 3,
	isolate: false,
	sequence: { groupOrder: 1 },
};

const stack = {
	...WITH_SERVERS,
	include: ["test/**/*.test.ts"],
	globalSetup: ["test/support/stack.ts"],
	testTimeout: 120_000,
	hookTimeout: 240_000,
};

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

/** The gateway's logic that asks nothing of workerd. Of these folders only `*.workerd.test.ts` runs in workerd. */
const IN_NODE =
	"gateway/test/{application,client,consistency,feed,planner,settings}/**";

/** The package, as its sources. */
const SOURCES = [
	{
		find: /^postern$/,
		replacement: `${import.meta.dirname}/gateway/src/index.ts`,
	},
	{
		find: /^postern\/zod$/,
		replacement: `${import.meta.dirname}/gateway/src/application/zod.ts`,
	},
	{
		find: /^postern\/routes$/,
		replacement: `${import.meta.dirname}/gateway/src/routes.ts`,
	},
];

export default defineConfig({
	test: {
		sequence: { sequencer: LongestFirst },
		projects: [
			{
				resolve: { alias: SOURCES },
				test: {
					name: "node",
					include: [`${IN_NODE}/*.test.ts`, "bench/test/*.test.ts"],
					exclude: ["**/*.workerd.test.ts"],
					...WITHOUT_SERVERS,
					testTimeout: 30_000,
				},
			},
			{
				plugins: [
					cloudflareTest({
						wrangler: { configPath: "./gateway/test/wrangler.jsonc" },
						remoteBindings: false,
					}),
				],
				resolve: { alias: SOURCES },
				test: {
					name: "worker",
					include: ["worker/test/**/*.test.ts", "gateway/test/**/*.test.ts"],
					exclude: [`${IN_NODE}/!(*.workerd).test.ts`, "gateway/test/sql/**"],
					...WITHOUT_SERVERS,
					testTimeout: 30_000,
				},
			},
			{
				test: {
					name: "sql",
					...WITH_DATABASE,
					include: ["gateway/test/sql/**/*.test.ts"],
					globalSetup: ["gateway/test/sql/support/setup.ts"],
					testTimeout: 120_000,
					hookTimeout: 240_000,
				},
			},
			{
				test: {
					name: "db",
					...WITH_DATABASE,
					include: ["db/test/**/*.test.ts"],
					globalSetup: ["db/test/support/setup.ts"],
					testTimeout: 120_000,
					hookTimeout: 240_000,
				},
			},
			{
				test: {
					name: "stack",
					...stack,
					include: isCompose ? RUNS_WHERE.compose : stack.include,
					exclude: [BROWSER],
				},
			},
			...(inContainers
				? [
						{
							test: {
								name: "containers",
								...stack,
								include: RUNS_WHERE.containers,
								// As many worlds as are needed to see every kind of policy; the suite `stack` has four times as many.
								env: {
									ISOLATION_WORLDS: process.env.ISOLATION_WORLDS ?? "3",
								},
							},
						},
					]
				: []),
			...(inBrowser
				? [
						{
							test: {
								name: "browser",
								...WITH_SERVERS,
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
