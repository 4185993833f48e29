import type { ReplyFields } from '../bson/encode.ts'
import { isTruthy } from '../bson/number.ts'
import { codeError, MongoError } from '../errors.ts'
import type { ServerState } from './context.ts'
import type { CommandRequest } from './request.ts'

const STATEMENTS_MAX = 100_000
/** One transaction takes this many documents of a bulk, so that others get their turn. */
export const CHUNK = 1_000
const CHUNK_MS = 25

/** A statement that failed, by its place in the bulk. */
export interface WriteError {
  readonly index: number
  readonly error: MongoError
}

function checkStatements(count: number): void {
  if (count < 1 || count > STATEMENTS_MAX)
    throw codeError(
      'InvalidLength',
      `Write batch sizes must be between 1 and ${STATEMENTS_MAX}. Got ${count} operations.`,
    )
}

/** Write errors as replies have them. */
export function errorFields({ index, error }: WriteError): ReplyFields {
  return { index, code: error.codeNumber, ...error.details, errmsg: error.message }
}

const isOrdered = (request: CommandRequest): boolean => {
  const ordered = request.get('ordered')
  return !ordered || isTruthy(ordered)
}

/**
 * Runs the statements of a bulk one after another in shared transactions. `run` gives false where a
 * statement has to be run by itself, outside of them.
 */
export async function runBulk(
  state: ServerState,
  request: CommandRequest,
  count: number,
  run: (index: number) => boolean,
  runAlone?: (index: number) => Promise<void>,
): Promise<WriteError[]> {
  checkStatements(count)
  const ordered = isOrdered(request)
  const errors: WriteError[] = []
  let index = 0
  let isStopped = false
  const failed = (error: unknown): void => {
    if (!(error instanceof MongoError)) throw error
    errors.push({ index, error })
    if (ordered) isStopped = true
  }
  while (index < count && !isStopped) {
    const start = index
    let isAlone = false
    await state.engine.write(() => {
      const end = Math.min(count, start + CHUNK)
      const untilMs = performance.now() + CHUNK_MS
      for (; index < end && !isStopped; index++) {
        if (index % 16 === 15 && performance.now() > untilMs) return
        try {
          isAlone = !run(index)
          if (isAlone) return
        } catch (error) {
          failed(error)
        }
      }
    })
    if (!isAlone) continue
    try {
      await runAlone!(index)
    } catch (error) {
      failed(error)
    }
    index++
  }
  return errors
}
