import { type Random, systemRandom } from '@khlong/core'
import { numberOf } from '../bson/number.ts'
import { BsonType } from '../bson/types.ts'
import { entriesOf, type Value } from '../bson/value.ts'
import { codeError } from '../errors.ts'
import { SORT_BYTES_MAX } from '../query/sort.ts'
import { CollectStage, ListStage, type Stage } from '../query/stage.ts'

/** `$sample`: so many documents, each as likely as every other (algorithm R). */
export function sampleStage(input: Stage, spec: Value, random: Random = systemRandom): Stage {
  if (spec.type !== BsonType.object)
    throw codeError('Location28745', 'the $sample stage specification must be an object')
  let size: number | undefined
  for (const [name, value] of entriesOf(spec)) {
    if (name !== 'size') throw codeError('Location28748', `unrecognized option to $sample: ${name}`)
    size = numberOf(value)
  }
  if (size === undefined || size < 1)
    throw codeError('Location28747', 'size argument to $sample must be a positive integer')
  const wanted = Math.trunc(size)
  const chosen: Buffer[] = []
  let seen = 0
  let bytes = 0
  return new CollectStage(
    input,
    (doc) => {
      seen++
      const place = chosen.length < wanted ? chosen.length : Math.floor(random.next() * seen)
      if (place >= wanted) return
      bytes += doc.length - (chosen[place]?.length ?? 0)
      chosen[place] = doc
      if (bytes > SORT_BYTES_MAX)
        throw codeError(
          'QueryExceededMemoryLimitNoDiskUseAllowed',
          `$sample exceeded memory limit of ${SORT_BYTES_MAX} bytes`,
        )
    },
    () => new ListStage(chosen),
  )
}
