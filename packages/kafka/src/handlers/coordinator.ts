import type { RequestContext } from './handler.ts'

/** Whether groups can be kept now; the offsets topic is made on first use. */
export async function isCoordinatorReady(context: RequestContext): Promise<boolean> {
  try {
    await context.broker.groups.ready()
    return true
  } catch (error) {
    context.broker.logger.warn({ err: error }, 'the group coordinator is not ready')
    return false
  }
}
