<?php // A site with the functions of README: /login?user=, /me, /theme, /logout.
require 'sessions.php';

switch (parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH)) {
    case '/login':
        login($_GET['user']);
        break;
    case '/me':
        $session = session();
        if (!$session) http_response_code(401);
        echo $session['id'] ?? 'none';
        break;
    case '/theme':
        echo sessions('POST', 'set/-', ['theme' => $_GET['theme']])['d']['theme'];
        break;
    case '/logout':
        sessions('DELETE', 'kill/-');
        setcookie('sid', '', 1, '/', secure: true);
        break;
}
