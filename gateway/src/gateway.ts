// Handles a request from its arrival to its answer: the routes, and what applies to all of them. Reads as the list of features.
import { Hono } from "hono";
import { every } from "hono/combine";
import { methodNotAllowed } from "hono/method-not-allowed";
import { createAccounts } from "./accounts/accounts.ts";
import { auth, issuingOff } from "./accounts/auth-routes.ts";
import {
	addressOf,
	NO_ACCOUNTS,
	openAccounts,
} from "./accounts/caller-accounts.ts";
import { createIssue } from "./accounts/issue-token.ts";
import { type Application, mountRoutes } from "./application/application.ts";
import { docs } from "./application/docs.ts";
import { describe } from "./application/openapi.ts";
import { createRouteEtags } from "./application/route-etag.ts";
import { type GatewayEnv, pathOf } from "./application/router.ts";
import { createReadCache } from "./cache/read-cache.ts";
import { withoutConditions } from "./conditions/conditional-writes.ts";
import { openConsistencyScope } from "./consistency/consistency-scope.ts";
import type { Sleep } from "./consistency/sleep.ts";
import { createFastPath, type FastPath } from "./fast-path/fast-path.ts";
import { createFindHit } from "./fast-path/find-hit.ts";
import { createRouteHits } from "./fast-path/route-hits.ts";
import type { Feed } from "./feed/feed.ts";
import { withAnonymous401 } from "./http/anonymous-401.ts";
import { corsHeadersOf, crossOrigin } from "./http/cors.ts";
import { health } from "./http/health.ts";
import { metrics } from "./http/metrics.ts";
import { protectOwnAnswers, refuse, refuseMethod } from "./http/own-answers.ts";
import { createToRefusal } from "./http/postgrest-errors.ts";
import { Refusal } from "./http/refusals.ts";
import { rest } from "./http/rest.ts";
import { createExactlyOnce } from "./idempotency/exactly-once.ts";
import { createApiKeys } from "./identity/api-keys.ts";
import { createIdentify } from "./identity/identify.ts";
import { createKeyStore } from "./identity/remote-keys.ts";
import { createVerify, type VerifyDeps } from "./identity/verify-token.ts";
import type { Namespace } from "./kv/sealed-values.ts";
import type { CallerCounts } from "./limits/caller-counts.ts";
import { limitAnswers } from "./limits/limit-answers.ts";
import { limitForms } from "./limits/limit-forms.ts";
import { createRequestLimits } from "./limits/limit-requests.ts";
import { limitSizes } from "./limits/limit-sizes.ts";
import type { LocationLimit } from "./limits/limiter.ts";
import { createCounters, type Dataset } from "./observe/counters.ts";
import { addServerTiming, observe, timed } from "./observe/observation.ts";
import { keepContext } from "./observe/request-context.ts";
import {
	countedRequest,
	lineOf,
	type RequestLine,
	withHitLines,
} from "./observe/request-line.ts";
import { createBreaker } from "./origin/breaker.ts";
import { createBulkhead } from "./origin/bulkhead.ts";
import { createOrigin } from "./origin/origin.ts";
import { createPreRequestProbe } from "./origin/pre-request-probe.ts";
import { withRetries } from "./origin/retries.ts";
import type { Fetch } from "./origin/send.ts";
import { createSign } from "./origin/sign.ts";
import type { Pipeline } from "./pipeline.ts";
import { secretOf } from "./settings/keys.ts";
import type { Config } from "./settings/settings.ts";
import { passToUpstream } from "./upstream/upstream.ts";

const REST = "/rest/v1";
const AUTH = "/auth/v1";
const KEYS = "/.well-known/jwks.json";

/** What comes from outside. Tests hand in plain functions. */
interface Deps extends Omit<VerifyDeps, "keyStore"> {
	config: Config;
	/** Reaches the origin. */
	fetch: Fetch;
	/** Reaches the upstream. */
	fetchUpstream: Fetch;
	/** The static assets. Without them there is no /docs. */
	assets: Fetch | undefined;
	/** Workers KV, for answers and issuers' keys. */
	kv: Namespace | undefined;
	/** Analytics Engine, for the counters. */
	dataset: Dataset | undefined;
	/** What the application adds. */
	application: Application;
	/** Counts exactly for one caller. Without it each isolate counts for itself. */
	countsOf: ((name: string) => CallerCounts) | undefined;
	/** Counts requests for a whole location of Cloudflare's. */
	locationLimit: LocationLimit | undefined;
	/** Tells what changed. Without it every read goes to the origin. */
	feed: Feed | undefined;
	sleep: Sleep;
	/** Work that goes on after the answer of the request at hand. */
	waitUntil: (promise: Promise<unknown>) => void;
	/** Takes the line of a request. */
	logRequest: (line: RequestLine) => void;
	/** Takes what went wrong besides the requests, and defects, for the operator; never shown to a client. */
	log: (error: unknown) => void;
}

interface Gateway {
	fetch(request: Request): Response | Promise<Response>;
	/** Both paths of `fetch`, which takes the first if it answers. */
	readonly fastPath: FastPath;
	readonly fullPath: (request: Request) => Response | Promise<Response>;
}

/** Builds the gateway; everything that configuration decides is decided here, once. */
export function createGateway(deps: Deps): Gateway {
	const { application, config, now, fetch, assets, log, logRequest } = deps;
	const { anonRole, tokens } = config;
	const logsAll = config.requestLog === "all";
	const secret = secretOf(config.origin.signingKey);
	const kv = deps.kv && {
		namespace: deps.kv,
		secret,
		previousSecret:
			config.origin.previousSigningKey &&
			secretOf(config.origin.previousSigningKey),
		log,
	};
	const sign = createSign(config.origin, now, anonRole);
	const limits = createRequestLimits({ ...deps, ...config, secret });
	const asked = withAnonymous401(
		createOrigin(config.origin, sign, fetch, REST),
		anonRole,
	);
	const { pipeline: guarded, close: onOriginBack } = createBreaker(
		withRetries(asked, deps.sleep),
		now,
	);
	const bulkhead = createBulkhead(guarded, {
		limit: config.origin.requestsPerRelation,
		timeoutMs: config.origin.timeoutMs,
		callerOf: ({ role }) => limits.subjectsOfRequest().caller ?? role,
		...{ now, sleep: deps.sleep },
	});
	const origin = limitAnswers(
		(request, identity, told) =>
			timed("origin", () => bulkhead(request, identity, told)),
		config.sizeLimits.answer,
	);
	const preRequest = createPreRequestProbe(origin, now);
	const writes = limits.countWrites(
		createExactlyOnce(origin, {
			...deps,
			preRequest,
			deadlineMs: config.origin.timeoutMs,
		}),
	);
	const { feed } = deps;
	const cache =
		feed &&
		createReadCache(limits.countMisses(origin), {
			...deps,
			...{ writes, preRequest, kv, feed, onOriginBack },
			checkMisses: limits.checkMisses,
		});
	const unlimited = cache?.pipeline ?? withoutConditions(writes);
	const pipeline = limitForms(unlimited, config);
	const accounts = (pipeline: Pipeline) =>
		createAccounts(pipeline, config.bcryptCost);
	const verifyDeps = { ...deps, keyStore: kv && createKeyStore(kv) };
	const { identify, recall, kindOf } = createIdentify({
		tokens: createVerify(config.issuers, verifyDeps),
		assertions: config.access && createVerify([config.access], verifyDeps),
		apiKeys: createApiKeys(origin, config.configuredKeys, {
			...deps,
			onUnknownKey: limits.onUnknownKey,
		}),
		anonRole,
	});
	const { signingKey } = tokens;
	const issue = signingKey && createIssue({ ...tokens, signingKey, now });
	const toRefusal = createToRefusal(application);
	const refusalOf = (error: unknown) => {
		const refusal = toRefusal(error);
		// A defect: the line of the request does not tell its message, which may quote the request.
		if (refusal.code === "internal_error") log(refusal.cause ?? refusal);
		return refuse(refusal);
	};

	const memory = cache && {
		...cache.parts,
		findHit: createFindHit(cache.parts, now),
	};
	const findRouteHit =
		memory &&
		createRouteHits({
			...{ ...memory, now, log },
			maxEmbedDepth: config.sizeLimits.embedDepth,
		});
	const counters = createCounters(deps);
	const { keepTexts, withEtag } = createRouteEtags(now);
	const app = new Hono<GatewayEnv>({ getPath: pathOf });
	app.use(keepContext(limits.subjectsOf));
	app.use(
		observe((context, observation) => {
			if (config.serverTimingRoles.includes(context.get("identity")?.role))
				addServerTiming(context.res.headers, observation);
			const isFailure =
				context.res.status >= 500 && observation.refusal?.code !== "not_cached";
			const counted = countedRequest(context.res, observation);
			counters.count(counted);
			if (!isFailure && !logsAll) return;
			const kind = kindOf(context.req.raw);
			logRequest(lineOf(context, counted, observation, kind));
		}),
	);
	const { upstream } = config;
	const ownAnswers = every(protectOwnAnswers, crossOrigin(config.corsOrigins));
	// Before the upstream, whose own it is without the token.
	if (config.metricsToken !== undefined)
		app.route("/", metrics(config.metricsToken, counters, ownAnswers));
	// From here on it takes every request but those to PostgREST, /health and /ready.
	if (upstream !== undefined)
		app.use(
			passToUpstream({
				upstream,
				mount: REST,
				fetch: deps.fetchUpstream,
				...{ ownAnswers, refusalOf },
			}),
		);
	app.use(ownAnswers);
	app.use(({ req }, next) => {
		if (URL.canParse(req.url)) return next();
		throw new Refusal("parameter_invalid", { details: "Host is not a host" });
	});
	app.use(limitSizes(config.sizeLimits));
	app.use(methodNotAllowed({ app, onMethodNotAllowed: refuseMethod }));

	const anonymous = { role: anonRole, claims: {} };
	app.route("/", health(asked, anonymous, cache?.readiness));
	describe(app, "/openapi.json", application.routes, application.openapi);
	if (assets !== undefined) app.route("/docs", docs(assets));
	app.get(KEYS, (context) => context.json(tokens.jwks));

	app.use(`${AUTH}/*`, async (context, next) => {
		await next();
		// supabase-js reads the code of an error only if the answer has this header.
		context.res.headers.set("X-Supabase-Api-Version", "2024-01-01");
		context.res.headers.set("Cache-Control", "no-store");
	});
	app.use(limits.onArrival);
	app.use(async (context, next) => {
		const { raw } = context.req;
		const identity = await timed(
			"identity",
			async () => recall(raw) ?? identify(raw),
		);
		context.set("identity", identity);
		await limits.onceIdentified(raw, identity);
		const scope = openConsistencyScope(
			raw,
			pipeline,
			config.causalCookie,
			findRouteHit,
		);
		context.set("pipeline", scope.pipeline);
		context.set("recall", scope.recall);
		keepTexts(context);
		await next();
		scope.close(context.res.headers);
		const { res } = context;
		const answer = await withEtag(raw, res, scope.moment);
		if (answer === res) return;
		// Without the one before, whose headers Hono would add again to a copy.
		context.res = undefined;
		context.res = answer;
	});
	app.all(`${REST}/*`, rest(REST, config.profileAliases));
	mountRoutes(
		app,
		{
			[AUTH]: issue ? auth(tokens.jwks) : issuingOff(),
			...application.routes,
		},
		({ headers }, pipeline, identity) =>
			issue
				? openAccounts({
						accounts: accounts(pipeline),
						issue,
						issuer: tokens.issuer,
						identity,
						address: addressOf(headers, identity, anonRole),
						onSignIn: limits.onSignIn,
					})
				: NO_ACCOUNTS,
	);

	app.notFound(() => refuse(new Refusal("route_unknown")));
	app.onError(refusalOf);

	const fullPath = (request: Request) => app.fetch(request);
	// With cookies each answer sets one of its own.
	const fastPath =
		memory === undefined || config.causalCookie
			? () => undefined
			: createFastPath({
					...memory,
					mount: REST,
					profileAliases: config.profileAliases,
					maxUrlBytes: config.sizeLimits.url,
					noCacheRoles: config.formRoles.noCache,
					cors: corsHeadersOf(config.corsOrigins),
					...{ recall, admits: limits.admitsHit, now, log },
				});
	const first = logsAll
		? withHitLines(fastPath, { route: `${REST}/*`, kindOf, logRequest })
		: fastPath;
	return {
		fetch(request) {
			const answer = first(request);
			if (answer === undefined) return fullPath(request);
			counters.countHit();
			return answer;
		},
		...{ fastPath, fullPath },
	};
}
