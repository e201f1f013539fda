/**
 * An HTTP-date (RFC 9110 5.6.7) in milliseconds since the epoch, or `undefined` when it isn't exactly one, down to the
 * right day of the week. All three published spellings are read; to write one, `Date.toUTCString()` does.
 */
export function parseHttpDate(text: string, now: number): number | undefined {
  const date = imfFixdate(text.trim(), now)
  const ms = Date.parse(date)
  // Date.parse takes much more than HTTP allows: only what it would write itself counts.
  return !Number.isNaN(ms) && new Date(ms).toUTCString() === date ? ms : undefined
}

const RFC_850 = /^(Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (\d\d)-(\w{3})-(\d\d) ([\d:]{8}) GMT$/
const ASCTIME = /^(\w{3}) (\w{3}) ([ \d]\d) ([\d:]{8}) (\d{4})$/

/** The two obsolete spellings as the preferred one; anything else as it came. */
function imfFixdate(text: string, now: number): string {
  const [, weekday, day, month, year, time] = RFC_850.exec(text) ?? []
  if (weekday !== undefined) return `${weekday.slice(0, 3)}, ${day} ${month} ${fullYear(Number(year), now)} ${time} GMT`
  const [, dayName, monthName, dayOfMonth, clock, fourDigits] = ASCTIME.exec(text) ?? []
  if (dayOfMonth !== undefined)
    return `${dayName}, ${dayOfMonth.replace(' ', '0')} ${monthName} ${fourDigits} ${clock} GMT`
  return text
}

/** A two-digit year that seems more than 50 years ahead is the most recent one in the past (RFC 9110 5.6.7). */
function fullYear(twoDigits: number, now: number): number {
  const thisYear = new Date(now).getUTCFullYear()
  const year = thisYear - (thisYear % 100) + twoDigits
  return year > thisYear + 50 ? year - 100 : year
}
