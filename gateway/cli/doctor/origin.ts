// Checks PostgREST as the Worker sees it: whether it is reached and is PostgREST, takes the gateway's token and every role that a
// caller may have, exposes the schemas that the Worker plans for, and has a clock that is right.
import type { Config } from "../../src/settings/settings.ts";
import { exposedSchemas, type FaultContext, reportFault } from "./faults.ts";
import { operator, postgrestLine, type Report, workerLine } from "./finding.ts";
import { type Answer, type Ask, reasonOf } from "./postgrest.ts";
import { checkPostgrest } from "./versions.ts";

/** PostgREST accepts a token whose times are off by this much. */
const CLOCK_TOLERANCE_MS = 30_000;

/** A schema that no database has. */
const NO_SCHEMA = "postern_doctor_asks_which_schemas_there_are";

/** @returns what `postern.status()` answers through PostgREST; undefined where it is not asked, with the reason in the report */
export async function checkOrigin(
	ask: Ask,
	context: FaultContext,
	report: Report,
): Promise<unknown> {
	let answer: Answer;
	try {
		answer = await ask("/rpc/status");
	} catch (error) {
		const reason = reasonOf(error);
		report.addWrong(
			"origin",
			`No PostgREST answers at ORIGIN_URL: ${reason}`,
			operator(
				reason.includes("ORIGIN_API_KEY")
					? "set ORIGIN_API_KEY to a key that the API gateway before PostgREST takes"
					: "set ORIGIN_URL to the address where PostgREST answers",
			),
		);
		return undefined;
	}
	checkClock(answer, report);
	if (answer.error !== undefined) {
		await reportFault(answer.error, "postern", context, report);
		return undefined;
	}
	checkPostgrest(answer.json, answer.headers, context, report);
	return answer.json;
}

/** Each role that the Worker may send, besides its own. */
export async function checkRoles(
	ask: Ask,
	config: Config,
	context: FaultContext,
	report: Report,
): Promise<void> {
	for (const role of callersRoles(config)) {
		// No caller may use the schema postern. PostgREST takes the role first.
		const { error } = await ask("/rpc/contract", { role });
		if (error !== undefined && !isRefusedByPostern(error.message))
			await reportFault(error, role, context, report);
	}
}

/** The roles that callers may have. */
export function callersRoles(config: Config): ReadonlySet<string> {
	return new Set([
		config.anonRole,
		...config.issuers.flatMap(({ roles }) => roles),
		...[...config.configuredKeys.values()].flatMap((key) =>
			key.kind === "secret" ? [key.role] : [],
		),
		...(config.access?.roles ?? []),
	]);
}

function isRefusedByPostern(message: string): boolean {
	return /^permission denied for (schema postern|function contract)$/.test(
		message,
	);
}

/** Compares PostgREST's db-schemas with DB_SCHEMAS. */
export async function checkSchemas(
	ask: Ask,
	schemas: readonly string[],
	report: Report,
): Promise<void> {
	const { error } = await ask("/", { profile: NO_SCHEMA });
	const exposed = exposedSchemas(error?.message ?? "", error?.hint)?.filter(
		(name) => name !== "postern",
	);
	if (exposed === undefined) {
		report.skip(
			"DB_SCHEMAS",
			"PostgREST does not say which schemas it exposes",
		);
		return;
	}
	const [seen, planned] = [exposed.join(","), schemas.join(",")];
	if (seen !== planned)
		report.addWrong(
			"DB_SCHEMAS",
			`PostgREST exposes the schemas ${seen}, the Worker plans for ${planned}`,
			workerLine("DB_SCHEMAS", seen),
		);
}

/** A gateway beside an open PostgREST protects nothing, which may be meant. */
export async function checkStrangers(ask: Ask, report: Report): Promise<void> {
	const { error } = await ask("/rpc/contract", { role: null });
	if (error !== undefined && isRefusedByPostern(error.message))
		report.addNote(
			"anonymous access",
			"PostgREST answers requests that the Worker did not sign, as the role of its db-anon-role",
			postgrestLine("db-anon-role", ""),
		);
}

function checkClock({ aheadMs }: Answer, report: Report): void {
	if (Math.abs(aheadMs) <= CLOCK_TOLERANCE_MS) return;
	const seconds = Math.round(Math.abs(aheadMs) / 1_000);
	report.addWrong(
		"clock",
		`The clock of PostgREST's machine is ${seconds} s ${aheadMs > 0 ? "ahead of" : "behind"} this machine's`,
		operator("set both clocks: timedatectl set-ntp true"),
	);
}
