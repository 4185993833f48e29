import { type TemplateFunctions, templateError, textOf } from '../template/functions.ts'
import { textFunctions } from '../template/text-functions.ts'
import { TimeValue, timeValue } from '../template/time.ts'
import { printValue, TemplateList, type TemplateValue } from '../template/value.ts'

/** Functions of notification templates, beside Go's own. */
export const notificationFunctions: TemplateFunctions = {
  ...textFunctions,
  join: (separator, list) => {
    if (!(list instanceof TemplateList)) throw templateError('join needs a list')
    return list.items.map(printValue).join(textOf('join', separator))
  },
  trimSpace: (text) => textOf('trimSpace', text).trim(),
  stringSlice: (...values) => new TemplateList(values),
  date: (layout, time) => momentOf('date', time).methods.get('Format')!(layout),
  tz: (zone, time) => timeValue(momentOf('tz', time).timeMs, textOf('tz', zone)),
}

function momentOf(name: string, value: TemplateValue): TimeValue {
  if (value instanceof TimeValue) return value
  throw templateError(`${name} needs a time`)
}
