// What `wrangler types` cannot know, because it is configured where Postern is deployed.
interface Env {
	/** Workers VPC service that reaches PostgREST through the tunnel, where there is one. */
	ORIGIN?: Fetcher;
}
