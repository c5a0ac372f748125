// What changes between duels, at random: all that decides what a caller may see.
import { pickWeighted, type Random } from "../histories/random.ts";
import {
	found,
	HOOKS,
	hook,
	maySee,
	SUB,
	TABLES,
	TENANT,
	view,
} from "./world.ts";

export interface Move {
	readonly kind: string;
	readonly sql: readonly string[];
	/** PostgREST reads its settings again some time after it is told. */
	readonly isForPostgrest?: boolean;
}

const CONDITIONS = [
	"true",
	"false",
	"is_public",
	`owner = ${SUB}`,
	`tenant = ${TENANT}`,
	`is_public or owner = (select ${SUB})`,
	"current_user = 'anon'",
	"pg_has_role('duel_vip', 'member')",
	"tenant = current_setting('app.tenant', true)",
	`exists (select from api.members as known where known.member = ${SUB} and known.tenant = tenant)`,
] as const;

const POLICY_CONDITIONS = [
	...CONDITIONS,
	"api.may_see(owner, tenant)",
] as const;

const RIGHTS = ["security invoker", "security definer"] as const;
const HOOK_BODIES = Object.values(HOOKS);
const RELOAD = "notify pgrst, 'reload config'";

type Maker = (random: Random) => readonly string[];

const membership: Maker = (random) => {
	const [role, member] = random.pick([
		["duel_vip", "authenticated"],
		["duel_vip", "authenticated"],
		["duel_vip", "anon"],
		["duel_vip", "duel_staff"],
		["duel_staff", "authenticated"],
		["duel_vip", "duel_owner"],
	] as const);
	return [
		random.chance(0.6)
			? `grant ${role} to ${member} with inherit ${random.chance(0.8)}`
			: `revoke ${role} from ${member}`,
	];
};

const attribute: Maker = (random) => {
	const role = random.pick([
		"authenticated",
		"anon",
		"duel_owner",
		"duel_staff",
	]);
	return [
		`alter role ${role} ${random.pick(["bypassrls", "nobypassrls", "nobypassrls", "inherit", "noinherit"])}`,
	];
};

const setting: Maker = (random) => {
	const change = random.pick([
		"set timezone = 'Asia/Tokyo'",
		"reset timezone",
		"set app.tenant = 'red'",
		"reset app.tenant",
	]);
	const role = random.pick(["authenticated", "anon", "authenticator"]);
	return [`alter role ${role} ${change}`, RELOAD];
};

const ownDatabase = (change: string) =>
	`do $$ begin execute format('alter database %I ${change}', current_database()); end $$`;

const databaseSetting: Maker = (random) => [
	ownDatabase(random.pick(["set app.tenant = ''red''", "reset app.tenant"])),
	RELOAD,
];

const owner: Maker = (random) => [
	random.pick([
		"reassign owned by duel_owner to duel_other",
		"reassign owned by duel_other to duel_owner",
		"alter view api.opened owner to duel_owner",
		"alter view api.opened owner to duel_other",
	]),
];

const preRequest: Maker = (random) => [
	hook(random.pick(["check", "check", "other"]), random.pick(HOOK_BODIES)),
];

const preRequestSetting: Maker = (random) => [
	random.pick([
		"alter role authenticator set pgrst.db_pre_request = 'hooks.other'",
		"alter role authenticator reset pgrst.db_pre_request",
		ownDatabase("set pgrst.db_pre_request = ''hooks.other''"),
		ownDatabase("reset pgrst.db_pre_request"),
	]),
	RELOAD,
];

const policy: Maker = (random) => {
	const table = `api.${random.pick(TABLES)}`;
	const name = random.pick(["first", "second", "third"]);
	const roles = random.pick([
		"public",
		"public",
		"authenticated",
		"duel_vip",
		"duel_staff, anon",
	]);
	const create = `create policy ${name} on ${table} as ${random.chance(0.8) ? "permissive" : "restrictive"} for select to ${roles} using (${random.pick(POLICY_CONDITIONS)})`;
	return [
		`drop policy if exists ${name} on ${table}`,
		...(random.chance(0.8) ? [create] : []),
	];
};

const alteredPolicy: Maker = (random) => [
	// Another move may have dropped it.
	`do $$ begin alter policy first on api.vaults using (${random.pick(POLICY_CONDITIONS)}); exception when undefined_object then null; end $$`,
];

const rowSecurity: Maker = (random) => [
	`alter table api.${random.pick(TABLES)} ${random.pick(["disable", "enable", "enable"])} row level security`,
];

const grants: Maker = (random) => {
	const table = `api.${random.pick(TABLES)}`;
	const role = random.pick([
		"anon",
		"authenticated",
		"duel_staff",
		"duel_owner",
	]);
	return random.chance(0.4)
		? [`revoke select on ${table} from ${role}`]
		: [`grant select on ${table} to ${role}`];
};

const functions: Maker = (random) => [
	random.chance(0.5)
		? maySee(
				random.pick([
					...CONDITIONS.filter((one) => !one.includes("is_public")),
				]),
				random.pick(RIGHTS),
			)
		: found(random.pick(CONDITIONS), random.pick(RIGHTS)),
];

const views: Maker = (random) => [
	random.chance(0.3)
		? `alter view api.${random.pick(["opened", "invoked"])} set (security_invoker = ${random.pick(["on", "off"])})`
		: view(
				random.pick(["opened", "invoked"]),
				random.pick(CONDITIONS),
				`security_invoker = ${random.pick(["on", "off"])}`,
			),
];

const MAKERS: readonly {
	readonly weight: number;
	readonly kind: string;
	readonly make: Maker;
	readonly isForPostgrest?: boolean;
}[] = [
	{ weight: 5, kind: "membership", make: membership },
	{ weight: 3, kind: "attribute", make: attribute },
	{ weight: 1, kind: "setting", make: setting, isForPostgrest: true },
	{ weight: 1, kind: "setting", make: databaseSetting, isForPostgrest: true },
	{ weight: 2, kind: "owner", make: owner },
	{ weight: 3, kind: "pre-request", make: preRequest },
	{
		weight: 1,
		kind: "pre-request setting",
		make: preRequestSetting,
		isForPostgrest: true,
	},
	{ weight: 4, kind: "policy", make: policy },
	{ weight: 2, kind: "policy", make: alteredPolicy },
	{ weight: 1, kind: "policy", make: rowSecurity },
	{ weight: 2, kind: "grant", make: grants },
	{ weight: 3, kind: "function", make: functions },
	{ weight: 3, kind: "view", make: views },
];

/** Duels before anything has changed. */
export const NO_MOVE: Move = {
	kind: "nothing",
	sql: [],
	isForPostgrest: false,
};

export function randomMove(random: Random): Move {
	const { kind, make, isForPostgrest = false } = pickWeighted(random, MAKERS);
	return { kind, sql: make(random), isForPostgrest };
}
