// `npm run worker`: the Worker alone, against the PostgREST of docker compose (or ORIGIN_URL).
import { readCredentials } from "./credentials.ts";
import { run } from "./run.ts";
import {
	gatewayUrl,
	port,
	postgrestUrl,
	refuseTakenPorts,
} from "./settings.ts";
import { ENV_FILE, stateDirectory } from "./state.ts";
import { startWranglerDev, workerVariables } from "./worker.ts";

await run(await stateDirectory(), async ({ step, logTo }) => {
	await refuseTakenPorts(["POSTERN_PORT"]);
	const originUrl = process.env.ORIGIN_URL ?? postgrestUrl();
	const variables = workerVariables(originUrl, await readCredentials(ENV_FILE));
	await step("worker", () =>
		startWranglerDev({
			port: port("POSTERN_PORT"),
			variables,
			log: logTo("worker", console.log),
		}),
	);
	console.log(
		`\nPostern answers at ${gatewayUrl()}, in front of ${originUrl}. Ctrl-C stops it.\n`,
	);
});
