// `npm run worker`: the Worker alone, against the PostgREST of docker compose (or ORIGIN_URL).
import { readCredentials } from "../stack/credentials.ts";
import { run } from "../stack/run.ts";
import {
	gatewayUrl,
	port,
	postgrestUrl,
	refuseTakenPorts,
} from "../stack/settings.ts";
import { ENV_FILE, stateDirectory } from "../stack/state.ts";
import { startWranglerDev, workerVariables } from "../stack/wrangler.ts";

await run(await stateDirectory(), async ({ step, logTo }) => {
	await refuseTakenPorts(["POSTERN_PORT"]);
	const originUrl = process.env.ORIGIN_URL ?? postgrestUrl();
	const variables = workerVariables(originUrl, await readCredentials(ENV_FILE));
	await step("worker", () =>
		startWranglerDev({
			config: "worker/wrangler.jsonc",
			port: port("POSTERN_PORT"),
			variables,
			log: logTo("worker", console.log),
		}),
	);
	console.log(
		`\nPostern answers at ${gatewayUrl()}, in front of ${originUrl}. Ctrl-C stops it.\n`,
	);
});
