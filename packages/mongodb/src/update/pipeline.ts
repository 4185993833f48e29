import { compileTransform } from '../aggregate/transforms.ts'
import { compareValues } from '../bson/compare.ts'
import { BsonType } from '../bson/types.ts'
import { entriesOf, getField, type Value } from '../bson/value.ts'
import { codeError } from '../errors.ts'
import type { Transform } from '../query/projection.ts'
import { prepareDocument } from './document.ts'
import type { Update } from './update.ts'

const allowed = new Set([
  '$addFields',
  '$set',
  '$project',
  '$unset',
  '$replaceRoot',
  '$replaceWith',
])

/** Compiles an update that is a pipeline. @throws MongoError InvalidOptions for stages that updates do not take */
export function compilePipelineUpdate(stages: readonly Value[]): Update {
  const transforms: Transform[] = stages.map((stage) => {
    const [first, second] = stage.type === BsonType.object ? [...entriesOf(stage)] : []
    if (!first || second)
      throw codeError(
        'Location40323',
        'A pipeline stage specification object must contain exactly one field.',
      )
    if (!allowed.has(first[0]))
      throw codeError('InvalidOptions', `${first[0]} is not allowed to be used within an update`)
    return compileTransform(first[0], first[1])
  })
  return {
    isReplacement: false,
    apply: (doc) => {
      let after = doc
      for (const transform of transforms) after = transform(after)
      const id = getField(doc, 0, '_id')
      const own = getField(after, 0, '_id')
      if (id && own && compareValues(id, own) !== 0)
        throw codeError(
          'ImmutableField',
          "Performing an update on the path '_id' would modify the immutable field '_id'",
        )
      const prepared = prepareDocument(after, id)
      return prepared.equals(doc) ? doc : prepared
    },
  }
}
