<?php

// Who asks for a page: a user, a guest, or nobody.

declare(strict_types=1);

namespace RestSessions;

final class Visitor
{
    private const COOKIE = 'sid';
    private const TTL = 30 * 24 * 3600; // seconds without a visit that end a session
    private const REFRESH = 60; // seconds without a visit after which the cookie is set anew

    private ?string $token = null;
    private ?array $session = null;
    private static bool $hasNewToken = false; // the old one is dead: the cookie must be set, come what may

    public function __construct(private readonly Sessions $sessions)
    {
        $cookie = $_COOKIE[self::COOKIE] ?? null;
        if ($cookie === null) {
            return;
        }
        $this->session = Sessions::isToken($cookie) ? $sessions->get($cookie) : null;
        if ($this->session === null) {
            $this->forget();
            return;
        }
        $this->token = $cookie;
        if ($this->session['idle'] >= self::REFRESH) {
            self::setCookie($cookie, $this->session['expires']);
        }
    }

    /** The user who has logged in, or null. */
    public function user(): ?string
    {
        return $this->session === null || $this->isGuest() ? null : $this->session['id'];
    }

    /** The session's data, to read. */
    public function data(): array
    {
        return $this->session['d'] ?? [];
    }

    /**
     * Changes the data: $change gets it and returns the keys to set, null to remove one. It is called again
     * if another request was faster. Somebody without session becomes a guest.
     */
    public function update(callable $change): void
    {
        for ($tries = 0; $tries < 10; $tries++) {
            if ($this->session === null) {
                $id = 'guest-' . bin2hex(random_bytes(16));
                $data = $change([]);
                $this->begin($this->sessions->create($id, ['ip' => $_SERVER['REMOTE_ADDR'], 'ttl' => self::TTL], $data), ['id' => $id, 'd' => $data, 'w' => 1]);
                return;
            }
            $answer = $this->sessions->set($this->token, $change($this->data()), $this->session['w']);
            $this->session = $answer['conflict'] ?? $answer;
            if ($answer !== null && !isset($answer['conflict'])) {
                return;
            }
        }
        throw new SessionsUnavailable('too many requests change this session');
    }

    /** Call it once the password is right. A guest's data stays, another user's does not. */
    public function login(string $user): void
    {
        $options = ['ip' => $_SERVER['REMOTE_ADDR'], 'max_sessions' => 10];
        if ($this->isGuest() || $this->user() === $user) {
            $made = $this->sessions->become($this->token, $user, $options);
            if ($made !== null) {
                $this->begin($made, ['id' => $user] + $this->session);
                return;
            }
        }
        $made = $this->sessions->create($user, $options + ['ttl' => self::TTL]);
        if ($this->session !== null) {
            $this->sessions->kill($this->token);
        }
        $this->begin($made, ['id' => $user, 'd' => [], 'w' => 1]);
    }

    public function logout(): void
    {
        if ($this->session !== null) {
            $this->sessions->kill($this->token);
        }
        $this->forget();
    }

    public function logoutEverywhere(): void
    {
        if ($this->user() === null) {
            $this->logout();
            return;
        }
        $this->sessions->killUser($this->user());
        $this->forget();
    }

    public function devices(): array
    {
        return array_map(fn (array $session) => [
            'handle' => $session['handle'],
            'ip' => $session['ip'],
            'created' => $session['created'] ?? null,
            'expires' => $session['expires'],
            'idle' => $session['idle'],
            'current' => $session['handle'] === $this->session['handle'],
        ], $this->sessions->sessionsOf($this->user()));
    }

    /** Ends one of the user's own sessions. */
    public function endDevice(string $handle): void
    {
        $this->sessions->killUser($this->user(), $handle);
    }

    /** For the answer 503: the cookie stays as the browser has it. */
    public static function leaveCookie(): void
    {
        if (!self::$hasNewToken) {
            self::dropCookie();
        }
    }

    private function isGuest(): bool
    {
        return str_starts_with($this->session['id'] ?? '', 'guest-');
    }

    private function begin(array $made, array $session): void
    {
        $this->token = $made['token'];
        $this->session = ['handle' => $made['handle']] + $session;
        self::$hasNewToken = true;
        self::setCookie($made['token'], $made['expires']);
    }

    private function forget(): void
    {
        $this->token = $this->session = null;
        self::$hasNewToken = false;
        self::setCookie('', 1);
    }

    private static function setCookie(#[\SensitiveParameter] string $value, int $expires): void
    {
        self::dropCookie();
        setcookie(self::COOKIE, $value, [
            'expires' => $expires,
            'path' => '/',
            'httponly' => true,
            'samesite' => 'Lax',
            'secure' => !in_array($_SERVER['HTTPS'] ?? 'off', ['', 'off'], true),
        ]);
    }

    // dropCookie takes back what was set before in this answer: a cookie is set once.
    private static function dropCookie(): void
    {
        $others = preg_grep('/^Set-Cookie: (?!' . self::COOKIE . '=)/i', headers_list());
        header_remove('Set-Cookie');
        foreach ($others as $other) {
            header($other, false);
        }
    }
}
