import packageJson from '../package.json' with { type: 'json' }

/** The version of all packages of Khlong; they share one. */
export const version: string = packageJson.version
