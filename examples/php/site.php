<?php

declare(strict_types=1);

use RestSessions\{Sessions, SessionsRefused, SessionsUnavailable, Visitor};

require __DIR__ . '/Sessions.php';
require __DIR__ . '/Visitor.php';

// A real site keeps hashes of passwords: password_hash, password_verify.
const PASSWORDS = ['anna' => 'secret', 'zoë/50%' => 'secret'];

function json(mixed $value): void
{
    header('Content-Type: application/json');
    echo json_encode($value, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE);
}

function redirect(string $to): void
{
    header("Location: $to", true, 303);
}

/** Returns a field of the form, or '' if it is not there or is no text. */
function field(string $name): string
{
    $value = $_POST[$name] ?? '';
    return is_string($value) && preg_match('//u', $value) ? $value : '';
}

function serve(Visitor $visitor, string $request): void
{
    switch ($request) {
        case 'GET /':
            json(['user' => $visitor->user(), 'cart' => $visitor->data()['cart'] ?? []]);
            return;

        case 'POST /cart':
            $item = field('item');
            if ($item === '') {
                http_response_code(400);
                return;
            }
            $visitor->update(fn (array $data) => ['cart' => [...$data['cart'] ?? [], $item]]);
            redirect('/');
            return;

        case 'POST /login':
            $user = field('user');
            if (!hash_equals(PASSWORDS[$user] ?? '', field('password')) || field('password') === '') {
                http_response_code(403);
                return;
            }
            $visitor->login($user);
            redirect('/');
            return;

        case 'GET /devices':
            $visitor->user() === null ? http_response_code(401) : json($visitor->devices());
            return;

        case 'POST /devices/end':
            $handle = field('handle');
            if ($visitor->user() === null || !preg_match('/\A[0-9A-Za-z]{22}\z/', $handle)) {
                http_response_code($visitor->user() === null ? 401 : 400);
                return;
            }
            $visitor->endDevice($handle);
            redirect('/devices');
            return;

        case 'POST /logout':
            $visitor->logout();
            redirect('/');
            return;

        case 'POST /logout/everywhere':
            $visitor->logoutEverywhere();
            redirect('/');
            return;
    }
    http_response_code(404);
}

try {
    $sessions = new Sessions('shop', getenv('SESSIONS_URL') ?: 'http://127.0.0.1:3000', getenv('SESSIONS_KEY') ?: null);
    serve(new Visitor($sessions), $_SERVER['REQUEST_METHOD'] . ' ' . strtok($_SERVER['REQUEST_URI'], '?'));
} catch (SessionsUnavailable $e) {
    error_log($e->getMessage());
    Visitor::leaveCookie();
    http_response_code(503);
    header('Retry-After: 5');
    json(['error' => 'try again in a moment']);
} catch (SessionsRefused $e) {
    error_log($e->getMessage());
    http_response_code($e->getCode());
}
