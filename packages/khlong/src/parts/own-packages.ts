import { registerHooks } from 'node:module'

let isRegistered = false

/**
 * Lets a user's files import our packages by name wherever their folder lies: what is not found from
 * there, as in a pipeline folder without `node_modules`, is found as this package finds it.
 */
export function provideOwnPackages(): void {
  if (isRegistered) return
  isRegistered = true
  registerHooks({
    resolve: (specifier, context, nextResolve) => {
      if (!/^(?:@khlong\/|khlong(?:\/|$))/.test(specifier)) return nextResolve(specifier, context)
      try {
        return nextResolve(specifier, context)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error
        return nextResolve(specifier, { ...context, parentURL: import.meta.url })
      }
    },
  })
}
