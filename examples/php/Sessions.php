<?php

// A client of rest-sessions. It tells three things apart: the session, null (there is no
// such session), and an exception (nothing is known of it). It needs no extension: PHP's
// own streams make a connection for each call.

declare(strict_types=1);

namespace RestSessions;

/** Nothing is known of the session now: answer 503 and leave the visitor's cookie alone. */
final class SessionsUnavailable extends \RuntimeException
{
}

/** rest-sessions refuses what it was asked, for instance data that is too large. */
final class SessionsRefused extends \RuntimeException
{
    public function __construct(int $status, public readonly array $answer)
    {
        parent::__construct("rest-sessions: {$answer['name']}: {$answer['message']}", $status);
    }
}

final class Sessions
{
    /** $timeout is in seconds, for the connection and then for each read. */
    public function __construct(
        private readonly string $app,
        private readonly string $url = 'http://127.0.0.1:3000',
        #[\SensitiveParameter] private readonly ?string $key = null,
        private readonly float $timeout = 2.0,
    ) {
    }

    public static function isToken(#[\SensitiveParameter] mixed $text): bool
    {
        return is_string($text) && preg_match('/\A[A-Za-z0-9]{64}\z/', $text) === 1;
    }

    /** Returns the session: id, r, w, ttl, idle, ip, handle, expires, d; or null. Counts as activity. */
    public function get(#[\SensitiveParameter] string $token): ?array
    {
        return self::isToken($token) ? $this->session('GET', '/get/-', $token) : null;
    }

    /** Starts a session and returns token, handle and expires. $options: ip, ttl, max_age, max_sessions. */
    public function create(string $id, array $options, array $data = []): array
    {
        $answer = $this->call('PUT', '/create/' . rawurlencode($id), null, $options + ['with' => 'handle,expires'], $data);
        return self::with('token', $answer);
    }

    /**
     * Merges changes into the data, null removes a key, and returns the session, or null. With $w, only
     * if nobody has written since w was read; else ['conflict' => the session as it is].
     */
    public function set(#[\SensitiveParameter] string $token, array $changes, ?int $w = null): ?array
    {
        try {
            return $this->session('POST', '/set/-', $token, $w === null ? [] : ['if_w' => $w], $changes);
        } catch (SessionsRefused $e) {
            if ($e->getCode() !== 409) {
                throw $e;
            }
            return ['conflict' => self::with('id', $e->answer['session'] ?? [])];
        }
    }

    /** Gives the session a new token and returns token, handle and expires, or null. The old one works on for $grace seconds. */
    public function rotate(#[\SensitiveParameter] string $token, int $grace): ?array
    {
        return $this->renew($token, ['grace' => $grace]);
    }

    /** Makes the session that of the user $id and returns token, handle and expires, or null. The old token is dead. */
    public function become(#[\SensitiveParameter] string $token, string $id, array $options): ?array
    {
        return $this->renew($token, $options + ['id' => $id]);
    }

    public function kill(#[\SensitiveParameter] string $token): int
    {
        return self::with('kill', $this->call('DELETE', '/kill/-', $token))['kill'];
    }

    /** Ends all sessions of a user, or the one with a handle, and returns how many. */
    public function killUser(string $id, ?string $handle = null): int
    {
        $query = $handle === null ? [] : ['handle' => $handle];
        return self::with('kill', $this->call('DELETE', '/killsoid/' . rawurlencode($id), null, $query))['kill'];
    }

    public function sessionsOf(string $id): array
    {
        $answer = $this->call('GET', '/soid/' . rawurlencode($id), null, ['with' => 'handle,created,expires']);
        return self::with('sessions', $answer)['sessions'];
    }

    private function session(string $method, string $path, #[\SensitiveParameter] string $token, array $query = [], ?array $data = null): ?array
    {
        $answer = $this->call($method, $path, $token, $query + ['with' => 'handle,expires'], $data);
        return $answer === [] ? null : self::with('id', $answer);
    }

    private function renew(#[\SensitiveParameter] string $token, array $query): ?array
    {
        $answer = $this->call('POST', '/rotate/-', $token, $query + ['with' => 'handle,expires']);
        return $answer === [] ? null : self::with('token', $answer);
    }

    private function call(string $method, string $path, #[\SensitiveParameter] ?string $token, array $query = [], ?array $data = null): array
    {
        $http = [
            'method' => $method,
            'header' => ['Connection: close'],
            'timeout' => $this->timeout,
            'protocol_version' => 1.1,
            'ignore_errors' => true, // the answer is read whatever its status
            'follow_location' => 0,
        ];
        if ($this->key !== null) {
            $http['header'][] = "Authorization: Bearer $this->key";
        }
        if ($token !== null) {
            $http['header'][] = "X-Session-Token: $token";
        }
        if ($data !== null) {
            $http['header'][] = 'Content-Type: application/json';
            $http['content'] = json_encode((object) $data, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES | JSON_PRESERVE_ZERO_FRACTION);
        }
        $url = "$this->url/$this->app$path?" . http_build_query($query, '', '&', PHP_QUERY_RFC3986);
        $stream = @fopen($url, 'r', false, stream_context_create(['http' => $http]));
        if ($stream === false) {
            throw new SessionsUnavailable("rest-sessions: $method $path: no answer");
        }
        $text = stream_get_contents($stream);
        $status = (int) (explode(' ', stream_get_meta_data($stream)['wrapper_data'][0])[1] ?? 0);
        fclose($stream);

        // A page of a proxy or a half answer must not pass for "no session"; nor must [], which is {} to json_decode.
        $answer = str_starts_with($text, '{') ? json_decode($text, true) : null;
        if (in_array($status, [400, 409, 413], true) && isset($answer['name'], $answer['message'])) {
            throw new SessionsRefused($status, $answer);
        }
        if ($status !== 200 || !is_array($answer)) {
            throw new SessionsUnavailable("rest-sessions: $method $path: $status " . ($answer['name'] ?? ''));
        }
        return $answer;
    }

    private static function with(string $member, array $answer): array
    {
        return isset($answer[$member]) ? $answer : throw new SessionsUnavailable('rest-sessions: a strange answer');
    }
}
