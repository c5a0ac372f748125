// What PostgREST's refusals of the gateway's own requests mean, and what mends each.
import { escapeIdentifier } from "pg";
import type { OriginSettings } from "../../src/settings/feed-settings.ts";
import {
	command,
	type Mend,
	operator,
	postgrestLine,
	type Report,
	sql,
} from "./finding.ts";
import type { PostgrestFault } from "./postgrest.ts";

export interface FaultContext {
	readonly origin: OriginSettings;
	/** The schemas that callers reach. */
	readonly schemas: readonly string[];
	/** The role that PostgREST logs in as. */
	readonly login: string;
	/** The signature of a function without arguments, by its bare name, where the database can be asked. */
	readonly findHook: (name: string) => Promise<string | undefined>;
	/** Whether the database has the gateway's schema. Undefined where the database cannot be asked. */
	readonly isMigrated: boolean | undefined;
	readonly cachesUntestedVersions: boolean;
}

/** What `postern migrate` brings. */
export const MIGRATE = command("npx postern migrate");

/** What the gateway's own schema is refused with by PostgREST, or by the database, where it is asked as `role`. */
export async function reportFault(
	{ code, message, hint }: PostgrestFault,
	role: string,
	context: FaultContext,
	report: Report,
): Promise<void> {
	if (/^PGRST30[0-3]$/.test(code)) {
		const [check, mend] = tokenFault(message, context.origin);
		report.addWrong(
			check,
			`PostgREST refuses the gateway's token: ${message}`,
			mend,
		);
		return;
	}
	if (/^PGRST00[0-3]$/.test(code)) {
		report.addWrong(
			"origin",
			`PostgREST does not reach its database: ${message}`,
			operator("PostgREST's log and its db-uri say why"),
		);
		return;
	}
	if (code === "PGRST106") {
		const exposed = exposedSchemas(message, hint) ?? context.schemas;
		report.addWrong(
			"db-schemas",
			"PostgREST does not expose the schema postern",
			postgrestLine("db-schemas", [...exposed, "postern"].join(", ")),
		);
		return;
	}
	const refused = roleFault(message, role, context.login);
	if (refused !== undefined) {
		report.addWrong(
			"roles",
			`PostgREST cannot become ${role}: ${message}`,
			refused,
		);
		return;
	}
	// PostgREST may still know a function that is gone.
	if (code === "PGRST202" || /\bpostern\b.* does not exist$/.test(message)) {
		report.addWrong(...missingFunction(context.isMigrated));
		return;
	}
	report.addWrong(
		"pre-request",
		`PostgREST cannot serve the role ${role}: ${message}`,
		await hookFault(message, role, context),
	);
}

/** The schemas that PostgREST lists where it is asked for another one: in the message, or from PostgREST 13 on in the hint. */
export function exposedSchemas(
	message: string,
	hint: string | null | undefined,
): string[] | undefined {
	const list = /(?:one of the following|schemas are exposed): (.+)$/.exec(
		hint ?? message,
	)?.[1];
	return list?.split(",").map((name) => name.trim());
}

function tokenFault(message: string, origin: OriginSettings): [string, Mend] {
	if (/audience/i.test(message))
		return ["token", postgrestLine("jwt-aud", origin.audience)];
	if (/future|expired|not yet valid/i.test(message))
		return [
			"clock",
			operator(
				"set the clock of PostgREST's machine: timedatectl set-ntp true",
			),
		];
	const { d, p, q, dp, dq, qi, ...publicKey } = origin.signingKey;
	return [
		"token",
		origin.signingKey.kty === "oct"
			? operator("give PostgREST as jwt-secret what ORIGIN_JWT_SECRET is")
			: postgrestLine("jwt-secret", JSON.stringify({ keys: [publicKey] })),
	];
}

function missingFunction(
	isMigrated: boolean | undefined,
): Parameters<Report["addWrong"]> {
	if (isMigrated === false)
		return ["migrations", "The database lacks the gateway's schema", MIGRATE];
	if (isMigrated === undefined)
		return [
			"migrations",
			"PostgREST does not know the gateway's functions: the database lacks them, or PostgREST has not loaded the schema since",
			command("npx postern migrate, and restart PostgREST"),
		];
	return staleSchema();
}

export function staleSchema(): Parameters<Report["addWrong"]> {
	return [
		"schema cache",
		"PostgREST has not loaded the schema as it is now: nothing is stored until it has. It was not told, or cannot load it, which its log says",
		{ by: "postgrest", text: "db-channel-enabled = true" },
	];
}

/** PostgREST cannot take the role of the token. */
function roleFault(
	message: string,
	role: string,
	login: string,
): Mend | undefined {
	const [name, to] = [escapeIdentifier(role), escapeIdentifier(login)];
	if (message === `role "${role}" does not exist`)
		return sql(`create role ${name} nologin noinherit; grant ${name} to ${to}`);
	if (message === `permission denied to set role "${role}"`)
		return sql(`grant ${name} to ${to}`);
	return undefined;
}

/** Before any request PostgREST calls its db-pre-request, as the role of the token. */
async function hookFault(
	message: string,
	role: string,
	{ findHook }: FaultContext,
): Promise<Mend> {
	const [, kind, name = ""] =
		/^permission denied for (schema|function) (.+)$/.exec(message) ?? [];
	const to = escapeIdentifier(role);
	if (kind === "schema" && name !== "postern")
		return sql(`grant usage on schema ${escapeIdentifier(name)} to ${to}`);
	if (kind === "schema") return MIGRATE;
	if (kind === "function") {
		const hook = (await findHook(name)) ?? `${name}()`;
		return hook.startsWith("postern.")
			? MIGRATE
			: sql(`grant execute on function ${hook} to ${to}`);
	}
	return operator(
		"create the function that PostgREST's db-pre-request names, or change db-pre-request",
	);
}
