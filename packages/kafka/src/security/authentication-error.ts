/** A login that failed. The message, where there is one, is what the client may hear. */
export class AuthenticationError extends Error {}
