import {
  decodePhoneLink,
  encodePhoneLink,
  type PhoneLink,
  readPhoneHash,
} from '../../src/model/phone-link.ts'
import { remember, remembered } from './preferences.ts'

const storeName = 'phone'

/** The device that this phone is: from the address it was opened by, or from the last time. */
export function takePhoneLink(): PhoneLink | undefined {
  const given = readPhoneHash(location.hash)
  if (given) {
    remember(storeName, encodePhoneLink(given))
    // Whoever looks over the shoulder or at the history does not find the password.
    history.replaceState(null, '', location.pathname + location.search)
    return given
  }
  return decodePhoneLink(remembered(storeName) ?? '')
}
