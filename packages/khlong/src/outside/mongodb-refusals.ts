const unsupported = new Set([59, 115, 238])

/**
 * Whether a server of MongoDB's protocol answered that it has no such thing: CommandNotFound,
 * CommandNotSupported or NotImplemented. Asking again would not help.
 */
export function isUnsupported(error: unknown): boolean {
  return unsupported.has(Number((error as { code?: unknown }).code))
}
