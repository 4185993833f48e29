/** Applies host names of the address book to a `mongodb://` URI, which may name several hosts. */
export function mapUriHosts(uri: string, resolve: (host: string) => string): string {
  const match = /^(mongodb:\/\/(?:[^@/]*@)?)([^/?]+)(.*)$/.exec(uri)
  if (!match) return uri
  const [, start, hosts, rest] = match
  return `${start}${hosts!.split(',').map(resolve).join(',')}${rest}`
}
