/** What a person or a token may do; each role includes those before it. */
export const roles = ['viewer', 'editor', 'administrator'] as const
export type Role = (typeof roles)[number]

export function isRole(value: unknown): value is Role {
  return roles.includes(value as Role)
}

/** Whether `role` includes what `needed` allows. */
export function covers(role: Role, needed: Role): boolean {
  return roles.indexOf(role) >= roles.indexOf(needed)
}

/** What a request needs by its method alone: looking is a viewer's, changing an editor's. */
export function roleForMethod(method: string): Role {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS' ? 'viewer' : 'editor'
}
