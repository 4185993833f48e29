/**
 * Whether a path is one that ZooKeeper takes: absolute, without empty, `.` or `..` names, without a
 * slash at its end, and without control, surrogate, private-use or non-characters.
 */
export function isValidPath(path: string): boolean {
  if (path === '/') return true
  if (path.length === 0 || path[0] !== '/' || path.endsWith('/')) return false
  if (path.includes('//') || /\/\.\.?(?:\/|$)/.test(path)) return false
  for (let index = 1; index < path.length; index++) {
    const unit = path.charCodeAt(index)
    if (unit <= 0x1f || (unit >= 0x7f && unit <= 0x9f)) return false
    if ((unit >= 0xd800 && unit <= 0xf8ff) || unit >= 0xfff0) return false
  }
  return true
}

/** The path above; the parent of `/a` is `''`, which names the root as `/` does. */
export const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/'))
export const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1)
