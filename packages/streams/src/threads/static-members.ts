import type { Admin } from '@khlong/kafka-client'

/** The name by which a thread of an instance with a folder takes its place in the group back. */
export const groupInstanceId = (applicationId: string, processId: string, index: number): string =>
  `${applicationId}-${processId}-${index}`

/**
 * Takes out of the group those members of an instance that it had before and has no more: it has fewer
 * threads now, and until their sessions end nobody would get their tasks.
 */
export async function removeFormerMembers(
  admin: Admin,
  applicationId: string,
  processId: string,
  threadCount: number,
): Promise<void> {
  const [group] = await admin.describeGroups([applicationId])
  const own = `${applicationId}-${processId}-`
  const former = (group?.members ?? []).filter(
    ({ groupInstanceId: id }) =>
      id?.startsWith(own) === true && Number(id.slice(own.length)) > threadCount,
  )
  const memberIds = former.map(({ memberId }) => memberId)
  if (memberIds.length > 0) await admin.removeMembers(applicationId, memberIds)
}
